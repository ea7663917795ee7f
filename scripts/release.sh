#!/usr/bin/env bash
# release.sh: an annotated tag v<version> on this commit, or one sentence on why not. It runs no test and pushes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

refuse() {
  echo "no release: $1" >&2
  exit 1
}

version=$(sed -n 's/^VERSION = "\([0-9]*\.[0-9]*\.[0-9]*\)"$/\1/p' server/version.py)
[ -n "$version" ] || refuse "server/version.py has no line like VERSION = \"1.2.3\"; write the version there"
tag=v$version

changes=$(git status --porcelain)
[ -z "$changes" ] || refuse "there are changes that are not committed; commit them or put them away:"$'\n'"$changes"

heading="## [$version] - $(date +%F)"
grep -qxF -- "$heading" CHANGELOG.md || refuse "CHANGELOG.md has no line \"$heading\"; move what is in [Unreleased] below it"

if git rev-parse --quiet --verify "refs/tags/$tag" >/dev/null; then
  refuse "the tag $tag exists already; write the next version into server/version.py"
fi

git tag --annotate "$tag" --message "ChatAnon $version"
echo "tagged $tag; when make test has passed on this commit: git push origin $tag"
