"""A request to AWS as it comes in, and refusals as they go out, in the protocol of each service."""
