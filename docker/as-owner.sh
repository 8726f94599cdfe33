#!/bin/sh
# Runs a command as the owner of the working folder, so that what it writes there belongs to whom the folder belongs.
# It can change the user only when the container is started as root, as docker-compose.yml does; a user that
# `docker run --user` or the image names stays that user.
set -eu
owner=$(stat -c %u .)
if [ "$(id -u)" = 0 ] && [ "$owner" != 0 ]; then
    exec setpriv --reuid "$owner" --regid "$(stat -c %g .)" --clear-groups -- "$0" "$@"
fi
if [ ! -w . ]; then
    echo "tad: warning: user $(id -u) may not write to the folder mounted at $PWD, which belongs to user $owner;" \
         "with docker run add --user $owner:$(stat -c %g .)" >&2
fi
exec "$@"
