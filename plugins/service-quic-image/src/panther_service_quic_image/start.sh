#!/bin/sh
# Gives an image of the QUIC interop runner the places that the runner mounts, and starts its entry script.
# Exit codes: those of the image (127: it does not know the test case); 126: the image cannot be started.
set -u
here=$(cd "$(dirname "$0")" && pwd)
entry=$PANTHER_ENTRY
cannot() {
    echo "the image cannot be started: $*" >&2
    exit 126
}

[ -e /.dockerenv ] || [ -e /run/.containerenv ] || cannot "this is no container, and places of its root would be changed"
for place in certs www downloads logs; do
    [ -L "/$place" ] || [ ! -e "/$place" ] || rmdir "/$place" 2>/dev/null || mv "/$place" "/$place.image" || cannot "/$place is in the way"
    ln -sfn "$here/$place" "/$place" || cannot "its root cannot be written as $(id -u); try the option user: \"0:0\" of the network environment"
done
ln -sfn "$here/qlog" "$here/logs/qlog"
ln -sfn "$here/keys.log" "$here/logs/keys.log"

# There is no simulator here, whose routes are to be set and whose start is to be awaited.
for helper in /setup.sh /wait-for-it.sh; do
    printf '#!/bin/sh\nexit 0\n' >"$helper" && chmod 755 "$helper" || cannot "$helper cannot be replaced"
done

# The shell says 127 of a script that is missing as well, which must not look like an answer of the image.
[ -f "$entry" ] || cannot "it has no entry script $entry"
[ -x "$entry" ] || cannot "its entry script $entry is not executable"
IFS= read -r first <"$entry" || true
case $first in
    '#!'*)
        interpreter=${first#'#!'}
        interpreter=${interpreter# }
        interpreter=${interpreter%% *}
        [ -x "$interpreter" ] || cannot "it has no $interpreter, which its entry script $entry asks for"
        ;;
esac

REQUESTS="$*"
export REQUESTS
cd / && exec "$entry"
