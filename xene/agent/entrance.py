"""The shells of a container: its first process, and what stands around a step on the host and inside.

Text only, laid and called by `containers` and `work`. Nothing of a manifest is ever read by one of these shells but
as an argument or a variable.
"""

from __future__ import annotations

HIDDEN = "XENE_IS_"  # begins the names under which a step's variables pass the engine's client

# The container's first process, $1 a file of the run. `sleep` in the foreground, so that the shell reaps every
# orphan; without a `sleep` in the image it waits for input that never comes. It ends, and the container with it,
# when the run's directory is gone: nobody could ever find it again.
MAIN = 'while [ -e "$1" ]; do sleep 30 2> /dev/null; [ $? != 127 ] || read -r _ || exit 0; done'

# On the host, the command of a step's wrapper. $1 base of the step's files, $2 file of its exit code, $3 door,
# $4 engine, $5 name, $6 image, $7 pull; then what enters the container. What went wrong around the command is
# left in `BASE.trouble`: a reason, and a message below it. `DOOR.open` holds the boot in which the container was
# made: none outlives its host. The client's own exit code says too little: its 125 to
# 127 and 137 may be the command's as well.
ENTER = """\
trap : TERM INT HUP
base=$1 result=$2 door=$3 engine=$4 name=$5 image=$6 pull=$7
shift 7

fail() {
    printf '%s\\n%s\\n' "$1" "$2" > "$base.trouble"
    echo "xene: $2" >&2
    exit 125
}
said() { tr '\\n' ' ' < "$door.said"; }
fetch() {
    echo "xene: pulling $image" >&2
    "$engine" pull "$image" > "$door.said" 2>&1 || fail ImageUnavailable "image $image cannot be pulled: $(said)"
}
find_image() {
    [ "$pull" = always ] && fetch && return
    "$engine" image inspect "$image" > /dev/null 2> "$door.said" && return
    case $(said) in
    *annot\\ connect*|*ermission\\ denied*) fail ContainerFailed "$engine does not work: $(said)" ;;
    esac
    [ "$pull" = never ] && fail ImageUnavailable "image $image is not on this host, and pull is 'never': $(said)"
    fetch
}
is_open() {
    read -r boot < /proc/sys/kernel/random/boot_id
    { read -r opened < "$door.open"; } 2> /dev/null && [ "$opened" = "$boot" ]
}
open() {
    unset XENE_STEP_ID XENE_RUN
    find_image
    [ -e "$door.begun" ] && "$engine" rm -f -v "$name" > /dev/null 2>&1
    : > "$door.begun"
    cd / && sh "$door.create" > "$door.said" 2>&1
    case $? in
    0) echo "$boot" > "$door.open" ;;
    127) fail ImageUnavailable "image $image has no 'sh', which a step needs: $(said)" ;;
    *) fail ContainerFailed "the container cannot be started: $(said)" ;;
    esac
}
if ! is_open; then
    (
        flock 9 || fail ContainerFailed "the program 'flock' is missing on this host, or was stopped"
        is_open || open 9>&-
    ) 9>> "$door.lock" || exit
fi
"$@"
code=$?
[ -f "$result" ] && ! [ -L "$result" ] && read -r ended < "$result"
case ${ended-} in ''|*[!0-9]*) ;; *) exit "$ended" ;; esac
if [ "$("$engine" inspect --type container -f '{{.State.Running}}' "$name" 2> /dev/null)" != true ]; then
    rm -f "$door.open"
    fail ContainerLost "container $name was removed or has ended while a step ran in it"
fi
[ "$code" -gt 128 ] && fail ExitUnknown "its process was killed from outside and left no exit code"
fail ContainerFailed "$engine exec failed with exit code $code; the step's log says more"
"""

# Inside, around the command. $1 file for the exit code, $2 directory, $3 umask, $4 names of variables that came
# under another name; then the command. `exec` finds programs only, never the shell's own.
INNER = f"""\
trap : TERM INT HUP
XENE_result=$1 XENE_dir=$2
umask "$3"
for XENE_name in $4; do eval "export $XENE_name=\\"\\${HIDDEN}$XENE_name\\""; unset "{HIDDEN}$XENE_name"; done
shift 4
cd "$XENE_dir" && unset OLDPWD && (exec "$@")
code=$?
echo "$code" > "$XENE_result"
exit "$code"
"""
