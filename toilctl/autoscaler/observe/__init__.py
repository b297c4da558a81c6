"""What is there now: EC2, the engine, prices and notices are asked, and become one ``model.snapshot``.

What to do about it is decided elsewhere. A source that does not answer makes a gap in the snapshot, never an exception
that ends the service.
"""
