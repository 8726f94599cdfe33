#!/usr/bin/env bash
# Builds the image of the environment cpu and does with it what docs/docker.md says: docker/smoke-test.sh
# Where no container engine can be had it says why and exits 0. Nothing of the host is changed but images and build cache.
set -euo pipefail
cd "$(dirname "$0")/.."

# Beside some checkouts lies a script that starts an engine on a machine without one
starter=${TAD_DOCKER_STARTER:-../shared/tools/docker-standin}
base_image=$(sed -n 's/^ARG BASE_IMAGE=//p' docker/Dockerfile.cpu)
owner=$(id -u)
started=

say() { echo "docker/smoke-test.sh: $*"; }
skip() { say "SKIPPED: $*"; exit 0; }
fail() { say "FAILED: $*" >&2; exit 1; }
engine() { docker info >/dev/null 2>&1; }
have_base_image() { docker image inspect "$base_image" >/dev/null 2>&1 || docker pull --quiet "$base_image" >/dev/null 2>&1; }

find_engine() {
  if ! engine || ! have_base_image; then
    [ -x "$starter" ] || skip "no container engine that has or can pull $base_image"
    [ "$owner" = 0 ] || skip "only root can start an engine with $starter"
    engine || started=yes
    "$starter" || skip "$starter could not start an engine"
  fi
  docker compose version >/dev/null 2>&1 || skip "docker has no compose"
}

# A project of its own, so that containers, networks and volumes of the user stay out of it
prepare() {
  export COMPOSE_PROJECT_NAME=tad-smoke-$$ TAD_ENV=cpu TAD_WORK TAD_PORT
  unset TAD_DATA
  TAD_WORK=$(mktemp -d)
  TAD_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # Root can play somebody else, whose folder is closed to all others
  if [ "$owner" = 0 ]; then owner=54321; fi
  chown "$owner" "$TAD_WORK"
  trap clean EXIT
}

clean() {
  docker rm --force "$COMPOSE_PROJECT_NAME-health" >/dev/null 2>&1 || true
  docker compose down --volumes --remove-orphans >/dev/null 2>&1 || say "could not remove all containers"
  rm -rf "$TAD_WORK"
  if [ -n "$started" ]; then kill "$(cat /var/run/docker.pid)"; fi
}

run() { docker compose run --rm -T "$@" </dev/null; }
within() {
  local seconds=$1
  shift
  for _ in $(seq "$seconds"); do
    if "$@"; then return 0; fi
    sleep 1
  done
  return 1
}

check_image() {
  docker run --rm --entrypoint sh tad:cpu -c 'test "$(id -u)" != 0' || fail "the image runs as root"
  docker run --rm --entrypoint sh tad:cpu -c '! command -v cc gcc g++ make' || fail "there is a compiler in the image"
  docker run --detach --name "$COMPOSE_PROJECT_NAME-health" --health-interval 2s --entrypoint sleep tad:cpu 600 >/dev/null
  within 600 is_healthy || fail "the health check did not pass"
}
is_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$COMPOSE_PROJECT_NAME-health")" = healthy ]; }

has_checkpoint() { ls "$TAD_WORK"/runs/stopped/checkpoints/step_*.npz >/dev/null 2>&1; }

# Stops a training in the middle by a signal; expects its exit code, soon, and goes on to the end
check_stop() {
  local signal=$1 expected=$2 name=$COMPOSE_PROJECT_NAME-$1 code
  local words=(--config mocap6 --output runs/stopped --set train.steps=100 --set train.checkpoint_every=10)
  rm -rf "$TAD_WORK/runs/stopped"
  docker compose run --detach --name "$name" train "${words[@]}" </dev/null >/dev/null
  within 600 has_checkpoint || fail "no checkpoint after ten minutes"
  docker kill --signal "$signal" "$name" >/dev/null
  code=$(timeout 60 docker wait "$name") || fail "$signal did not end the training"
  [ "$code" = "$expected" ] || fail "after $signal the exit code is $code, not $expected"
  docker rm "$name" >/dev/null
  run train "${words[@]}" --resume auto | grep "trained: runs/stopped" || fail "the training did not go on"
}

check_commands() {
  run train
  run infer
  run eval
  python3 - "$TAD_WORK/runs/mocap6/metrics.json" <<'P' || fail "the demo has learned nothing"
import json, sys
sys.exit(json.load(open(sys.argv[1]))["average_mAP"] < 0.5)
P
  if run train --config no-such.yaml; then fail "a wrong path gave exit code 0"; fi
}

check_tensorboard() {
  docker compose up --detach tensorboard
  within 300 answers || fail "TensorBoard does not answer"
}
answers() {
  python3 - "http://127.0.0.1:$TAD_PORT/data/runs" <<'P' 2>/dev/null
import json, sys, urllib.request
sys.exit("mocap6/tensorboard" not in json.load(urllib.request.urlopen(sys.argv[1], timeout=5)))
P
}

check_owner() {
  local others
  others=$(find "$TAD_WORK" ! -uid "$owner")
  [ -z "$others" ] || fail "not owned by the caller: $others"
}

find_engine
prepare
say "building"
docker compose build train
docker compose build test
docker compose build tensorboard
say "image"; check_image
say "train, infer, eval"; check_commands
say "stop and go on"; check_stop TERM 143; check_stop INT 130
say "tensorboard"; check_tensorboard
say "tests in the container"; run test -q tests/docker tests/ops/test_align1d.py
check_owner
docker images --filter "reference=tad" --filter "reference=$base_image"
say "passed"
