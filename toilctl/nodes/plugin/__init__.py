"""What toilctl adds to a Toil that runs workflows on one of its leaders; the standard library and Toil only.

It is seen from inside users' virtualenvs, so it depends on nothing that a virtualenv may lack, and it never imports
toilctl itself.
"""
