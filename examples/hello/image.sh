#!/bin/sh
# Builds the image of the hello example from Debian's busybox-static.
#   examples/hello/image.sh OUTPUT.tar
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf 'hello from skiff\n' >"$work/index.html"
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\nhostname\n' >"$work/name"
chmod 0755 "$work/name"
# The wget of busybox-static crashes when it looks a name up, so `fetch HOST` asks getent, with the C
# library that it needs, and speaks HTTP itself.
cat >"$work/fetch" <<'SCRIPT'
#!/bin/sh
set -- "$1" $(getent ahostsv4 "$1")
[ -n "$2" ] || { echo "fetch: no address of $1" >&2; exit 1; }
printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" | nc "$2" 80 | {
	end=$(printf '\r')
	while read -r line && [ "$line" != "$end" ]; do :; done
	cat
}
SCRIPT
chmod 0755 "$work/fetch"
libraries=$(ldd /usr/bin/getent | grep -o '/[^ ]*')
files=""
for library in $libraries; do
	files="$files $library=$(readlink -f "$library")"
done
links=""
for tool in sh httpd wget nslookup nc sleep cat echo ls kill ps env id hostname touch rm mkdir date \
	head tail grep test true false dd stat printf yes seq trap ip mount df sync tar; do
	busybox --list | grep -qx "$tool" && links="$links --link /bin/$tool=busybox"
done
# shellcheck disable=SC2086
python3 "$here/../../tools/oci_image.py" --name skiff.local/hello:1 --output "$out" $links --folder /tmp \
	$files /bin/getent=/usr/bin/getent /bin/fetch="$work/fetch" \
	/bin/busybox="$(command -v busybox)" /www/index.html="$work/index.html" \
	/www/cgi-bin/name="$work/name"
