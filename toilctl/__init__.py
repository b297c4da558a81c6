"""toilctl: clusters for Toil workflows on AWS."""
