#!/usr/bin/python
"""Ansible module: the address that this machine is seen with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: caller_cidr
short_description: The address that this machine is seen with, as an address range
description:
  - On AWS, the public address that the first of I(urls) that answers reports.
  - With I(endpoint_url), the address by which this machine reaches that endpoint; nobody outside is asked.
options:
  endpoint_url: {type: str, default: '', description: An AWS endpoint other than Amazon's own.}
  urls:
    type: list
    elements: str
    default: []
    description: Services that answer with the caller's address, in order of preference.
  timeout_s: {type: float, default: 5, description: How long to wait for each of them.}
"""

RETURN = r"""
cidr: {type: str, returned: always, description: 'The one address, such as 198.51.100.7/32.'}
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import AwsError, fail
from ansible.module_utils.urls import open_url

LONGEST_ADDRESS = 45


def seen_by(urls, timeout_s):
    """Return the address that the first service to answer sensibly sees."""
    failures = []
    for url in urls:
        try:
            answer = open_url(url, timeout=timeout_s).read(LONGEST_ADDRESS + 1).decode("ascii", "replace").strip()
            return one_address(answer)
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
    raise AwsError(
        "host",
        f"This machine's public address could not be learnt ({'; '.join(failures)}).",
        "Say who may reach port 22 with --ssh-cidr.",
    )


def used_towards(endpoint_url):
    """Return the address from which this machine sends to an endpoint; nothing is sent."""
    parts = urlsplit(endpoint_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    family, kind, _, _, address = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)
        return one_address(probe.getsockname()[0])


def one_address(text):
    """Return one address as a range. A range in the answer is no address: it must not open the port to many."""
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        raise ValueError(f"{text} is no address of a machine")
    return f"{address}/{address.max_prefixlen}"


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "endpoint_url": {"type": "str", "default": ""},
            "urls": {"type": "list", "elements": "str", "default": []},
            "timeout_s": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        if options["endpoint_url"]:
            cidr = used_towards(options["endpoint_url"])
        else:
            cidr = seen_by(options["urls"], options["timeout_s"])
    except OSError as error:
        fail(module, AwsError("host", f"{options['endpoint_url']}: {error}.", "Check AWS_ENDPOINT_URL."))
    except AwsError as error:
        fail(module, error)
    module.exit_json(changed=False, cidr=cidr)


if __name__ == "__main__":
    main()
