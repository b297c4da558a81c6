"""The options that Toil 9.6 gives every workflow: which of them stand alone, and which take a value.

Those that only its CWL or its WDL runner has are not here: a workflow of one's own may mean something else by them.
"""

from __future__ import annotations

import re
from typing import Final


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


VALUES: Final = _set(
    """
    --assumeZeroOverhead --awsBatchJobRoleArn --awsBatchQueue --awsBatchRegion --badWorker --badWorkerFailInterval
    --basedir --batchLogsDir --batchSystem --beta-dependencies-directory --beta-dependency-resolvers-configuration
    --betaInertia --cachedir --caching --cidfile-dir --cidfile-prefix --clean --cleanWorkDir --config
    --config_version --coordinationDir --custom-net --cwl-loop-iteration-limit --cwl-min-ram --deadlockCheckInterval
    --deadlockWait --default-container --defaultAccelerators --defaultCores --defaultDisk --defaultMemory
    --defaultWalltime --destBucket --disableAutoDeployment --disableChaining --disableJobStoreChecksumVerification
    --doubleMem --doubleTime --enableUnlimitedPreemptableRetries --enableUnlimitedPreemptibleRetries --eval-timeout
    --forceDockerAppliance --full-name --import-workers-threshold --importWorkersBatchSize --importWorkersDisk
    --importWorkersThreshold --jobStoreTimeout --log-dir --logColors --logFile --logLevel --maxCores --maxDisk
    --maxJobDuration --maxJobs --maxLocalJobs --maxLogFileSize --maxMemory --maxNodes --maxPreemptibleServiceJobs
    --maxServiceJobs --metrics --minNodes --moveOutputs --mpi-config-file --nodeStorage --nodeStorageOverrides
    --nodeTypes --orcid --outdir --overrides --preemptableCompensation --preemptibleCompensation --provenance
    --provisioner --publishWorkflowMetrics --realTimeLogging --rescueJobsFrequency --retryBackoffFactor
    --retryBackoffSeconds --retryCount --runDir --scale --scaleInterval --servicePollingInterval --setEnv
    --slurmAllocateMem --slurmArgs --slurmDefaultAllMem --slurmGPUPartition --slurmGPUQOS --slurmPE --slurmPartition
    --slurmQOS --slurmTime --sseKey --statePollingTimeout --statePollingWait --statusWait --stopOnFirstFailure
    --symlinkImports --symlinkJobStoreReads --targetTime --tmp-outdir-prefix --tmpdir-prefix --user-space-docker-cmd
    --wdlAllCallOutputs --wdlContainer --wdlOutputDialect --wdlOutputDirectory --wdlOutputFile --wdlQuantCheck
    --wdlReferenceInputs --wdlStrict --workDir --writeLogsFromAllJobs --writeMessages -e -p
    """
)
JOB_STORE: Final = frozenset({"--jobStore", "--jobstore"})
"""Of those workflows that take no job store as a word by itself."""
ELSEWHERE: Final = _set(
    """
    --kubernetesHostPath --kubernetesOwner --kubernetesPodSecurityContext --kubernetesPodTimeout
    --kubernetesPrivileged --kubernetesSecurityContext --kubernetesServiceAccount --mesosEndpoint --mesosFrameworkId
    --mesosMaster --mesosName --mesosRole
    """
)
"""They take a value, where Toil is installed with what they need."""
VALUES_OR_NONE: Final = _set(
    """
    --clusterStats --defaultPreemptable --defaultPreemptible --writeLogs --writeLogsGzip
    """
)
FLAGS: Final = _set(
    """
    --allocate_mem --beta-conda-dependencies --beta-use-biocontainers --bypass-file-store --coalesceStatusCalls
    --compute-checksum --cwl-default-ram --debugWorker --disable-host-provenance --disable-streaming
    --disable-user-provenance --disable-validate --disableCaching --disableHotDeployment --disableProgress
    --disableWorkerOutputCapture --dont_allocate_mem --enable-dev --enable-ext --enable-host-provenance
    --enable-user-provenance --fast-parser --force-docker-pull --help --leave-container --leave-tmpdir --linkImports
    --logCritical --logDebug --logError --logInfo --logOff --logTrace --logWarning --manualMemArgs --memoryIsProduct
    --moveExports --no-compute-checksum --no-container --no-cwl-default-ram --no-match-user --no-prepull
    --no-read-only --noLinkImports --noMoveExports --noStdOutErr --not-strict --podman --preserve-entire-environment
    --quiet --record-container-id --reference-inputs --relax-path-checks --restart --rm-tmpdir --rotatingLogging
    --runCwlInternalJobsOnWorkers --runImportsOnWorkers --runLocalJobsOnWorkers --singularity --stats
    --strict-cpu-limit --strict-memory-limit --version -h
    """
)
SWITCHES: Final = frozenset({"--assumeZeroOverhead", "--metrics"})
"""Of the scaler's: once flags, and today with yes or no behind them."""
OLDER: Final = frozenset({"--maxPreemptableNodes", "--minPreemptableNodes", "--nodeType", "--preemptableNodeType"})
"""Toil's before 3.11, with a value each."""
TAKING: Final = VALUES | JOB_STORE | ELSEWHERE | VALUES_OR_NONE | OLDER
KNOWN: Final = TAKING | FLAGS

_NUMBER: Final = re.compile(r"-\d+|-\d*\.\d+")
_YES: Final = frozenset({"true", "t", "yes", "y", "on", "1"})
_NO: Final = frozenset({"false", "f", "no", "n", "off", "0"})


def name_of(word: str) -> str:
    """Return the option that a word is, without a value behind ``=``; empty for any other word.

    As in argparse, a negative number is none, nor is a word with spaces, such as options for another program.
    """
    name = word.partition("=")[0]
    is_one = len(name) > 1 and name.startswith("-") and not _NUMBER.fullmatch(name) and not re.search(r"\s", name)
    return name if is_one else ""


def truth(word: str | None) -> bool | None:
    """Return what a word means where yes or no is asked for; None when it is neither.

    Toil looks at the first letters only, and takes file:store for no.
    """
    lowered = (word or "").lower()
    return True if lowered in _YES else False if lowered in _NO else None
