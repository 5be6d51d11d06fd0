#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#SBATCH --job-name=boot-stress
#SBATCH --array=1-16
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=1100M
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:INT@180
#
# A stress run as a Slurm array, a shard for each task. A task whose shard has results goes on with them, so that one
# that was killed, preempted or requeued repeats nothing.
#
#   sbatch --array=1-N ci/engines/slurm.sh MATRIX RESULTS [OPTION...]     OPTION as for `boot-stress stress`
#   boot-stress merge RESULTS/shard-* --out DIR                           when all have ended
#
# MATRIX needs a `seed`. RESULTS is on a file system that all nodes have. A part of the tasks again:
# `SHARDS=N sbatch --array=3,7 …`, with the N of the first time. Shards of ten minutes or more: Slurm needs seconds to
# start a task, and many sites allow fewer than ten starts a minute.
set -euo pipefail
matrix=${1:?usage: sbatch --array=1-N ci/engines/slurm.sh MATRIX RESULTS [OPTION...]}
results=${2:?usage: sbatch --array=1-N ci/engines/slurm.sh MATRIX RESULTS [OPTION...]}
shift 2
shard=$SLURM_ARRAY_TASK_ID/${SHARDS:-$SLURM_ARRAY_TASK_COUNT}
dir=$results/shard-$SLURM_ARRAY_TASK_ID
option=--results
[ ! -e "$dir/results.ndjson" ] || option=--resume
# In the place of the shell, so that the signal before the end of the time reaches it. An outcome is no failure of the
# task.
exec "${BOOT_STRESS:-boot-stress}" stress "$matrix" "$option" "$dir" --shard "$shard" --exit-zero \
    --jobs "${SLURM_CPUS_PER_TASK:-1}" "$@"
