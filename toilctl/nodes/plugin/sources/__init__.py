"""What of a user's code goes to workers: Python modules and their data, of a project and of a virtualenv.

Toil's documentation, chapter Auto-Deployment, promises it: the root of the hierarchy of packages, and what stands in a
virtualenv. ``roots`` says which directories those are, ``selection`` which files of them, ``ignored`` reads .gitignore,
and ``archive`` packs them for Toil.
"""
