"""Images of the rehearsal cloud, made on this machine: the nodes', the appliance's, Mesos and the registry's.

Each is named by the content of its recipe below ``data``, so a changed recipe makes a new image.
"""
