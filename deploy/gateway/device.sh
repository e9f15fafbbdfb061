#!/bin/sh
# A device in a shell: enrol, wait for approval, get a short token, call the API. Needs curl and sed.
#
#   AUTHSVC_ISSUER=https://auth.example.com/t/acme/prod ./device.sh "Hall lamp" "status:read"
#
# Speaks RFC 8628. The token goes to standard output, everything for people to standard error.
set -eu
umask 077

issuer=${AUTHSVC_ISSUER:?set AUTHSVC_ISSUER, for example https://auth.example.com/t/acme/prod}
client=${AUTHSVC_CLIENT_ID:-authsvc-device}
name=${1:-$(uname -n)}
scope=${2:-}
grant=urn:ietf:params:oauth:grant-type:device_code

field() { printf '%s' "$1" | sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }

asked=$(curl -sS --data-urlencode "client_id=$client" --data-urlencode "device_name=$name" \
  --data-urlencode "scope=$scope" "$issuer/oauth/device_authorization")
device_code=$(field "$asked" device_code)
[ -n "$device_code" ] || { printf 'refused: %s\n' "$asked" >&2; exit 1; }
interval=$(field "$asked" interval)
printf 'Open %s and type %s\n' "$(field "$asked" verification_uri)" "$(field "$asked" user_code)" >&2

while :; do
  sleep "$interval"
  # The device code is read from standard input, so that it never shows in the list of processes.
  answer=$(printf '%s' "$device_code" | curl -sS --data-urlencode "grant_type=$grant" \
    --data-urlencode "client_id=$client" --data-urlencode "device_code@-" "$issuer/oauth/token")
  case $(field "$answer" error) in
    authorization_pending) ;;
    slow_down) interval=$((interval + 5)) ;;
    '') break ;;
    *) printf 'ended: %s\n' "$(field "$answer" error)" >&2; exit 1 ;;
  esac
done

token=$(field "$answer" access_token)
base=${issuer%/t/*}
printf 'header = "Authorization: Bearer %s"\n' "$token" | curl -sS -K - "$base/api/v1/me" >&2
printf '\n' >&2
printf '%s\n' "$token"
