#!/bin/sh
# Deploys an image by a commit to the infrastructure repository.
#
#   sh ci/deploy.sh check IMAGE   judge what the commit would deploy; change nothing
#   sh ci/deploy.sh push IMAGE    judge it, commit it and push it
#
# It changes spec.image in the file of this service and nothing else. It needs git and platform, and from the
# environment:
#   INFRASTRUCTURE_REPOSITORY   the address, https://… or ssh://…, without a password
#   INFRASTRUCTURE_TOKEN        for https: a token that may read the repository, and write to it to push
#   INFRASTRUCTURE_USER         for https: the user of the token, by default oauth2
#   INFRASTRUCTURE_BRANCH       the branch that is deployed, by default main
set -eu

name='__NAME__'
file='teams/__TEAM__/__ENVIRONMENT__/applications/__NAME__.yaml'
branch=${INFRASTRUCTURE_BRANCH:-main}
attempts=5

say() {
    printf 'deploy: %s\n' "$1" >&2
}

fail() {
    say "$1"
    exit 1
}

mode=${1-}
image=${2-}
case $mode in
check | push) ;;
*) fail 'usage: sh ci/deploy.sh check|push IMAGE' ;;
esac
case $image in
*[!A-Za-z0-9._:/@-]*) fail 'that is no image: letters, digits and . _ : / @ - only' ;;
[!A-Za-z0-9]*) fail 'that is no image: it begins with neither a letter nor a digit' ;;
*/*:*) ;;
*) fail 'the image needs a registry and a version: registry.example.com/team/name:version' ;;
esac
[ -n "${INFRASTRUCTURE_REPOSITORY-}" ] || fail 'INFRASTRUCTURE_REPOSITORY is not set; README.md says what it is'
case $INFRASTRUCTURE_REPOSITORY in
http*://*@*) fail 'INFRASTRUCTURE_REPOSITORY holds a password; it belongs into INFRASTRUCTURE_TOKEN' ;;
esac
for program in git platform; do
    command -v "$program" >/dev/null || fail "there is no $program here; README.md says which image has it"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Git asks this program for user and token, so that they stand in no command line, no address and no file.
cat >"$work/askpass" <<'END'
#!/bin/sh
case $1 in
Username*) printf '%s\n' "${INFRASTRUCTURE_USER:-oauth2}" ;;
*) printf '%s\n' "${INFRASTRUCTURE_TOKEN-}" ;;
esac
END
chmod 700 "$work/askpass"
export GIT_ASKPASS="$work/askpass" GIT_TERMINAL_PROMPT=0
# Plain http would show the token, and ext:: runs programs.
export GIT_ALLOW_PROTOCOL=https:ssh:file
# These write what goes over the wire, token included, into the log.
unset GIT_TRACE GIT_TRACE_CURL GIT_TRACE_PACKET GIT_CURL_VERBOSE

clone=$work/clone

in_clone() {
    git -C "$clone" -c credential.helper= -c core.hooksPath=/dev/null -c commit.gpgSign=false \
        -c user.name="$name pipeline" -c user.email="$name@pipeline.invalid" "$@"
}

# Puts the image into the file. Refuses a file where it cannot be sure to change that alone.
set_image() {
    IMAGE=$image awk '
        function refuse(number, why) {
            printf "deploy: line %d: %s; please write spec and its image plainly\n", number, why > "/dev/stderr"
            refused = 1
            exit 1
        }
        { line[NR] = $0 }
        END {
            if (refused) exit 1
            for (n = 1; n <= NR; n++) {
                if (line[n] ~ /\r$/) refuse(n, "a carriage return")
                if (line[n] ~ /^["\047?{\[&*!%]/) refuse(n, "not a plain key")
                if (line[n] ~ /^(---|\.\.\.)/ && begun) refuse(n, "a second document")
                if (line[n] !~ /^(---|#|[ ]*$)/) begun = 1
                if (line[n] ~ /^spec[ \t]*:/) {
                    if (spec) refuse(n, "spec stands there twice")
                    if (line[n] !~ /^spec:[ ]*(#.*)?$/) refuse(n, "spec is not a block")
                    spec = n
                }
            }
            if (!spec) refuse(NR, "no spec")
            indent = 0
            for (n = spec + 1; n <= NR && line[n] ~ /^([ \t#]|$)/; n++) {
                if (line[n] ~ /^ *(#|$)/) continue
                match(line[n], /^ */)
                depth = RLENGTH
                if (!indent) indent = depth
                key = substr(line[n], depth + 1)
                if (depth < indent || key ~ /^\t/) refuse(n, "uneven indentation")
                if (depth > indent) {
                    if (found && found == last) refuse(n, "spec.image goes over several lines")
                    continue
                }
                # The entries of a list may stand as deep as its key.
                if (key ~ /^-( |$)/ && last && last != found) continue
                last = n
                if (key !~ /^[A-Za-z]+:([ ]|$)/) refuse(n, "not a plain key")
                if (key ~ /^image:/) {
                    if (found) refuse(n, "spec.image stands there twice")
                    if (key ~ /^image:[ ]*[|>&*!{\[]/) refuse(n, "spec.image is not a plain value")
                    found = n
                }
            }
            if (line[n] ~ /^-( |$)/) refuse(n, "not a plain key")
            pad = indent ? substr(line[last], 1, indent) : "  "
            for (n = 1; n <= NR; n++) {
                if (n == found) comment = match(line[n], / #.*$/) ? substr(line[n], RSTART) : ""
                if (n != found) print line[n]
                if (n == (found ? found : spec)) print pad "image: " ENVIRON["IMAGE"] comment
            }
        }
    ' "$clone/$file" >"$work/changed" || fail "$file is left as it is"
    cat "$work/changed" >"$clone/$file"
}

# Judges the clone with the image in it. What is wrong in files of others, and was before, stops nobody.
judge() {
    platform check "$clone" >"$work/after" && return
    in_clone stash push --quiet
    platform check "$clone" >"$work/before" || true
    in_clone stash pop --quiet
    if [ ! -s "$work/after" ] || grep -qF "$file" "$work/after" || ! cmp -s "$work/before" "$work/after"; then
        cat "$work/after" >&2
        fail "platform check refuses $image"
    fi
    say 'the infrastructure repository has problems elsewhere; they are not of this change'
}

attempt=1
while :; do
    rm -rf "$clone"
    git -c credential.helper= clone --quiet --depth 1 --no-tags --branch "$branch" \
        -- "$INFRASTRUCTURE_REPOSITORY" "$clone" || fail 'cannot read the infrastructure repository'
    base=$(in_clone rev-parse HEAD)
    case $(in_clone ls-files --stage -- "$file") in
    100644*) ;;
    '') fail "the infrastructure repository has no $file: is the service created?" ;;
    *) fail "$file is not a plain file" ;;
    esac
    set_image
    if in_clone diff --quiet; then
        say "$image is what Git says already"
        exit 0
    fi
    judge
    if [ "$mode" = check ]; then
        say "$image may be deployed"
        exit 0
    fi
    in_clone commit --quiet --message "Deploy $name: $image" -- "$file"
    if in_clone push --quiet origin "HEAD:refs/heads/$branch"; then
        say "$image is deployed by $(in_clone rev-parse --short HEAD)"
        exit 0
    fi
    # Somebody else was faster, or we may not push at all.
    tip=$(in_clone ls-remote origin "refs/heads/$branch" | cut -f 1)
    [ "$tip" != "$base" ] || fail 'the infrastructure repository takes no push; may the token write?'
    [ "$attempt" -lt "$attempts" ] || fail "others were faster $attempts times; run this job again"
    sleep "$attempt"
    attempt=$((attempt + 1))
done
