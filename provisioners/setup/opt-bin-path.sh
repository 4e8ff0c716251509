#!/bin/sh
# Units find programs in /opt/bin, as logins do.
echo "PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
