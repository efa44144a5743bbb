"""What the engines of compiled actors share: ``native`` on the host, ``cuda`` on a device."""
