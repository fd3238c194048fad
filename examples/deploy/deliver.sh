#!/bin/sh
# Deliver until SIGTERM comes, which it does after the application has ended; then deliver what the end has left.
trap 'kill $!' TERM INT
tocsin deliver &
wait
wait
exec tocsin deliver --drain --timeout 20s
