#!/bin/sh
# Compiling less of itself makes a short program start earlier.
here=$(dirname "$0")
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$here/classes:$here/lib/*" panther.kwik.Main "$@"
