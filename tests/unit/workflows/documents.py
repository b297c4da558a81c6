"""Command lines as documents of ten years have them; names in angle brackets are filled in, nothing else is changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A line, and what it means today."""

    source: str
    text: str
    now: str = ""
    """Its words in today's form; nothing: they stay as they are."""
    job_store: str = ""
    limits: str = ""
    own: tuple[str, ...] = ()
    """The workflow's own options that it gives, with ``=`` where they have a value and ``=*`` where several."""

    @property
    def start(self) -> str:
        """Today's words before those that Toil's parser gets."""
        words = (self.now or self.text).split()
        count = {"env": 3, "python": 2, "python3": 2, "toil-vg": 2, "toil-marginphase": 2}.get(words[0], 1)
        return " ".join(words[: count + words.count("-m") * (words[0] == "python")])


LINES = (
    Line(
        "Toil 3.5, running.rst",
        "python HelloWorld.py --batchSystem=mesos --mesosMaster=mesos-master:5050 aws:us-west-2:my-aws-jobstore",
        "python HelloWorld.py --batchSystem=mesos aws:us-west-2:my-aws-jobstore",
        "aws:us-west-2:my-aws-jobstore",
    ),
    Line(
        "Toil 3.5, running.rst, CWL",
        "cwltoil --batchSystem=mesos --mesosMaster=mesos-master:5050 --jobStore=aws:us-west-2:my-aws-jobstore "
        "example.cwl example-job.yml",
        "toil-cwl-runner --batchSystem=mesos --jobStore=aws:us-west-2:my-aws-jobstore example.cwl example-job.yml",
        "aws:us-west-2:my-aws-jobstore",
    ),
    Line("Toil 3.5, running.rst, restart", "python toil-sort-example.py file:jobStore --restart", "", "file:jobStore"),
    Line(
        "Toil 3.5, deploying.rst",
        "python -m workflow.main --batchSystem=mesos aws:us-west-2:store",
        "",
        "aws:us-west-2:store",
    ),
    Line(
        "toil-vg 1.2, README, index",
        "toil-vg index aws:us-west-2:job-store aws:us-west-2:out-store --workDir /var/lib/toil/  --batchSystem=mesos "
        "--mesosMaster=10.0.0.5:5050  --graphs 1.vg 2.vg X.vg --chroms 1 2 X --realTimeLogging --logInfo "
        "--index_name my_index --defaultPreemptable --preemptableNodeType i3.8xlarge:1.00 --maxPreemptableNodes 5 "
        "--nodeType i3.8xlarge --provisioner aws",
        "toil-vg index aws:us-west-2:job-store aws:us-west-2:out-store --workDir /var/lib/toil/ --batchSystem=mesos "
        "--graphs 1.vg 2.vg X.vg --chroms 1 2 X --realTimeLogging True --logInfo --index_name my_index "
        "--defaultPreemptable --nodeTypes i3.8xlarge,i3.8xlarge:1.00 --maxNodes 10,5 --provisioner aws",
        "aws:us-west-2:job-store",
        "i3.8xlarge=0..10,i3.8xlarge:1=0..5",
        ("--graphs=*", "--chroms=*", "--index_name="),
    ),
    Line(
        "toil-vg's experiments",
        "toil-vg construct aws:us-west-2:tree --realTimeLogging --logInfo --batchSystem mesos --provisioner=aws "
        "--mesosMaster=10.0.0.5:5050 --nodeTypes=r3.8xlarge:0.85 --defaultPreemptable --maxNodes=8 --alphaPacking 2.0",
        "toil-vg construct aws:us-west-2:tree --realTimeLogging True --logInfo --batchSystem mesos --provisioner=aws "
        "--nodeTypes=r3.8xlarge:0.85 --defaultPreemptable --maxNodes=8",
        "aws:us-west-2:tree",
        "r3.8xlarge:0.85=0..8",
    ),
    Line(
        "bcbio's notes on Toil 3.7",
        "cwltoil --batchSystem=mesos --mesosMaster=10.0.0.5:5050 --provisioner aws --defaultPreemptable  "
        "--preemptableNodeType m4.2xlarge:0.4 --maxPreemptableNodes 2 --nodeType m4.2xlarge --maxNodes 3 "
        "--jobStore aws:us-east-1:bcbio-na12878-chr20-jobstore --logFile awstoil.log main.cwl main-samples.json",
        "toil-cwl-runner --batchSystem=mesos --provisioner aws --defaultPreemptable "
        "--nodeTypes m4.2xlarge,m4.2xlarge:0.4 --maxNodes 3,2 "
        "--jobStore aws:us-east-1:bcbio-na12878-chr20-jobstore --logFile awstoil.log main.cwl main-samples.json",
        "aws:us-east-1:bcbio-na12878-chr20-jobstore",
        "m4.2xlarge=0..3,m4.2xlarge:0.4=0..2",
    ),
    Line(
        "Toil 3.11, a report",
        "toil-marginphase run --defaultCores 8 --maxMemory 60G --maxCores 8 --batchSystem mesos --provisioner aws "
        "--nodeTypes r3.4xlarge:0.3 --nodeStorage 500 --maxNodes 30 --minNodes 3 "
        "aws:us-west-2:marginphase-param-testing-3-6",
        "",
        "aws:us-west-2:marginphase-param-testing-3-6",
        "r3.4xlarge:0.3=3..30",
    ),
    Line(
        "Toil 3.14, amazon.rst",
        "python /root/sort.py  aws:us-west-2:autoscaling-sort-jobstore --provisioner aws --nodeTypes c3.large "
        "--maxNodes 2 --batchSystem mesos --mesosMaster 172.31.0.5:5050  --logLevel DEBUG",
        "python /root/sort.py aws:us-west-2:autoscaling-sort-jobstore --provisioner aws --nodeTypes c3.large "
        "--maxNodes 2 --batchSystem mesos --logLevel DEBUG",
        "aws:us-west-2:autoscaling-sort-jobstore",
        "c3.large=0..2",
    ),
    Line(
        "Toil 3.14, quickStart.rst, Cactus",
        "TOIL_APPLIANCE_SELF=quay.io/ucsc_cgl/toil:3.12.0 cactus --provisioner aws --nodeType c3.4xlarge --maxNodes 2 "
        "--minNodes 0 --retry 10 --batchSystem mesos --disableCaching --logDebug --logFile /logFile_pestis3 "
        "--configFile /tmp/blockTrim3.xml aws:us-west-2:cactus-pestis /tmp/pestis-short-aws-seqFile.txt "
        "/tmp/pestis_output3.hal",
        "env TOIL_APPLIANCE_SELF=quay.io/ucsc_cgl/toil:3.12.0 cactus --provisioner aws --nodeTypes c3.4xlarge "
        "--maxNodes 2 --minNodes 0 --retryCount 10 --batchSystem mesos --disableCaching --logDebug "
        "--logFile /logFile_pestis3 --configFile /tmp/blockTrim3.xml aws:us-west-2:cactus-pestis "
        "/tmp/pestis-short-aws-seqFile.txt /tmp/pestis_output3.hal",
        "aws:us-west-2:cactus-pestis",
        "c3.4xlarge=0..2",
        ("--configFile=",),
    ),
    Line("Toil 3.14, wdl.rst", "toil-wdl-runner example_wdlfile.wdl example_jsonfile.json"),
    Line(
        "Toil 3.14, wdl.rst, options",
        "toil-wdl-runner hello.wdl hello.json --output_directory /data/out --gen_parse_files --dont_delete_compiled",
        "toil-wdl-runner hello.wdl hello.json --outputDirectory /data/out",
    ),
    Line(
        "Toil 3.24, quickStart.rst, restart",
        "python sort.py file:jobStore --retryCount 2 --restart --overwriteOutput=True",
        "",
        "file:jobStore",
        "",
        ("--overwriteOutput=",),
    ),
    Line(
        "Toil 3.24, quickStart.rst, hello world",
        "python /tmp/helloWorld.py aws:us-west-2:my-s3-bucket",
        "",
        "aws:us-west-2:my-s3-bucket",
    ),
    Line(
        "Toil 3.24, quickStart.rst, CWL",
        "toil-cwl-runner --provisioner aws --jobStore aws:us-west-2:any-name /tmp/example.cwl /tmp/example-job.yaml",
        "",
        "aws:us-west-2:any-name",
    ),
    Line(
        "Toil 3.24, gce.rst",
        "python /root/sort.py  google:my-project:my-store --batchSystem mesos --maxNodes 2",
        "",
        "google:my-project:my-store",
    ),
    Line(
        "Toil 5.12, amazon.rst, spot",
        "python /root/sort.py aws:us-west-2:my-jobstore-name --provisioner aws --nodeTypes c3.4xlarge:2.00 "
        "--maxNodes 2 --batchSystem mesos --defaultPreemptible",
        "",
        "aws:us-west-2:my-jobstore-name",
        "c3.4xlarge:2=0..2",
    ),
    Line(
        "Toil 5.12, amazon.rst, several",
        "python /root/sort.py aws:us-west-2:my-jobstore-name --provisioner aws --nodeTypes c3.large,r3.xlarge "
        "--maxNodes 5,1 --batchSystem mesos",
        "",
        "aws:us-west-2:my-jobstore-name",
        "c3.large=0..5,r3.xlarge=0..1",
    ),
    Line(
        "Toil 5.12, kubernetes.rst",
        "python3 tutorial_helloworld.py aws:us-west-2:demouser-toil-test-jobstore --batchSystem kubernetes "
        "--realTimeLogging --logInfo",
        "python3 tutorial_helloworld.py aws:us-west-2:demouser-toil-test-jobstore --batchSystem kubernetes "
        "--realTimeLogging True --logInfo",
        "aws:us-west-2:demouser-toil-test-jobstore",
    ),
    Line(
        "Toil 5.12, kubernetes.rst, CWL",
        "toil-cwl-runner  --jobStore  aws:us-west-2:demouser-toil-test-jobstore --batchSystem kubernetes "
        "--realTimeLogging --logInfo --disableCaching path/to/cwl/workflow path/to/cwl/input/object",
        "toil-cwl-runner --jobStore aws:us-west-2:demouser-toil-test-jobstore --batchSystem kubernetes "
        "--realTimeLogging True --logInfo --disableCaching path/to/cwl/workflow path/to/cwl/input/object",
        "aws:us-west-2:demouser-toil-test-jobstore",
    ),
    Line(
        "Toil 5.12, cwl.rst",
        "toil-cwl-runner --singularity --jobStore my_jobStore --batchSystem lsf --workDir /w --outdir /w "
        "--logFile cwltoil.log --writeLogs /w --logLevel DEBUG --retryCount 2 --maxLogFileSize 20000000000 --stats "
        "standard_bam_processing.cwl standard_bam_processing.yaml",
        "",
        "file:my_jobStore",
    ),
    Line(
        "Toil 5.12, wdl.rst",
        "toil-wdl-runner --jobStore aws:us-west-2:wdl-job-store --batchSystem kubernetes myWorkflow.wdl "
        "--inputs myWorkflow_inputs.json",
        "",
        "aws:us-west-2:wdl-job-store",
    ),
    Line(
        "Toil 5.12, wdl.rst, the older runner",
        "toil-wdl-runner-old encode_mapping_workflow.wdl encode_mapping_workflow.json --outdir out --dev_mode",
        "toil-wdl-runner encode_mapping_workflow.wdl encode_mapping_workflow.json --outputDirectory out",
    ),
    Line("Toil 9, hpcEnvironments.rst", "python3 sort.py ./store --batchSystem slurm --batchLogsDir ./logs"),
    Line(
        "Toil 9, tutorial.rst",
        "toil-wdl-runner --jobStore ./fizzbuzz_store --batchSystem slurm --slurmTime 00:10:00 --caching false "
        "--batchLogsDir ./logs fizzbuzz.wdl fizzbuzz.json -o fizzbuzz_out -m fizzbuzz_out.json",
        "",
        "file:./fizzbuzz_store",
    ),
    Line(
        "Cactus, running-in-aws.md",
        "cactus --nodeTypes c4.8xlarge:0.6,r3.8xlarge --minNodes 0,0 --maxNodes 20,2 --provisioner aws "
        "--batchSystem mesos --metrics aws:us-west-2:my-jobstore-name seqFile.txt output.hal",
        "cactus --nodeTypes c4.8xlarge:0.6,r3.8xlarge --minNodes 0,0 --maxNodes 20,2 --provisioner aws "
        "--batchSystem mesos --metrics True aws:us-west-2:my-jobstore-name seqFile.txt output.hal",
        "aws:us-west-2:my-jobstore-name",
        "c4.8xlarge:0.6=0..20,r3.8xlarge=0..2",
    ),
    Line(
        "Cactus 1.3, README, cactus-prepare-toil",
        "cactus-prepare-toil aws:us-west-2:jobstore-name examples/evolverMammals.txt --binariesMode singularity "
        "--batchSystem kubernetes --realTimeLogging --outHal s3://bucket-name/out.hal --defaultDisk 20G "
        "--defaultMemory 12G --defaultCores 4",
        "cactus-prepare-toil aws:us-west-2:jobstore-name examples/evolverMammals.txt --binariesMode singularity "
        "--batchSystem kubernetes --realTimeLogging True --outHal s3://bucket-name/out.hal --defaultDisk 20G "
        "--defaultMemory 12G --defaultCores 4",
        "aws:us-west-2:jobstore-name",
        "",
        ("--binariesMode=", "--outHal="),
    ),
    Line(
        "Cactus 1.3, pangenome.md",
        "cactus-preprocess aws:us-west-2:jobstore seqfile.txt seqfile.masked.txt --realTimeLogging "
        "--logFile preprocess.log  --batchSystem mesos --provisioner aws --nodeTypes r3.8xlarge:0.7 --maxNodes 25 "
        "--defaultPreemptable --betaInertia 0 --targetTime 1  --maskPAF s3://bucket/GRCh38-freeze1-orig.paf  "
        "--maskAlpha --brnnCores 8",
        "cactus-preprocess aws:us-west-2:jobstore seqfile.txt seqfile.masked.txt --realTimeLogging True "
        "--logFile preprocess.log --batchSystem mesos --provisioner aws --nodeTypes r3.8xlarge:0.7 --maxNodes 25 "
        "--defaultPreemptable --betaInertia 0 --targetTime 1 --maskPAF s3://bucket/GRCh38-freeze1-orig.paf "
        "--maskAlpha --brnnCores 8",
        "aws:us-west-2:jobstore",
        "r3.8xlarge:0.7=0..25",
        ("--maskPAF=", "--maskAlpha", "--brnnCores="),
    ),
    Line(
        "Cactus 1.3, pangenome.md, align-batch",
        "cactus-align-batch aws:us-west-2:jobstore ./chromfile.txt s3://bucket/align-batch --alignCores 32 "
        "--alignOptions '--pafInput --pangenome --outVG --realTimeLogging' --batchSystem mesos --provisioner aws "
        "--defaultPreemptable  --nodeTypes r4.16xlarge:1.7,r4.8xlarge:0.7 --nodeStorage 1000 --maxNodes 5,20 "
        "--betaInertia 0 --targetTime 1 --logFile align-batch.log --realTimeLogging",
        "cactus-align-batch aws:us-west-2:jobstore ./chromfile.txt s3://bucket/align-batch --alignCores 32 "
        "--alignOptions '--pafInput --pangenome --outVG --realTimeLogging' --batchSystem mesos --provisioner aws "
        "--defaultPreemptable --nodeTypes r4.16xlarge:1.7,r4.8xlarge:0.7 --nodeStorage 1000 --maxNodes 5,20 "
        "--betaInertia 0 --targetTime 1 --logFile align-batch.log --realTimeLogging True",
        "aws:us-west-2:jobstore",
        "r4.16xlarge:1.7=0..5,r4.8xlarge:0.7=0..20",
        ("--alignCores=", "--alignOptions="),
    ),
    Line(
        "Cactus, cactus-update-prepare.md",
        "cactus-preprocess ./jobstore/2 ./steps/seq_file.in ./steps/seq_file.out --inputNames simGorilla "
        "--realTimeLogging --logInfo --retryCount 0",
        "cactus-preprocess ./jobstore/2 ./steps/seq_file.in ./steps/seq_file.out --inputNames simGorilla "
        "--realTimeLogging True --logInfo --retryCount 0",
        own=("--inputNames=*",),
    ),
    Line(
        "Cactus, pangenome.md, graphmap",
        "cactus-graphmap aws:us-west-2:cactus-hprc-jobstore hprc-mc.seqfile s3://bucket/minigraph.gfa "
        "s3://bucket/hprc.paf --outputGAFDir s3://bucket/gaf --outputFasta s3://bucket/sv.gfa.fa.gz "
        "--reference GRCh38 --mapCores 16 --delFilter 10000000  --batchSystem mesos --provisioner aws "
        "--defaultPreemptable --nodeType r5.8xlarge:1.5 --nodeStorage 650 --maxNodes 25 --betaInertia 0 "
        "--targetTime 1 --logFile hprc.paf.log",
        "cactus-graphmap aws:us-west-2:cactus-hprc-jobstore hprc-mc.seqfile s3://bucket/minigraph.gfa "
        "s3://bucket/hprc.paf --outputGAFDir s3://bucket/gaf --outputFasta s3://bucket/sv.gfa.fa.gz "
        "--reference GRCh38 --mapCores 16 --delFilter 10000000 --batchSystem mesos --provisioner aws "
        "--defaultPreemptable --nodeTypes r5.8xlarge:1.5 --nodeStorage 650 --maxNodes 25 --betaInertia 0 "
        "--targetTime 1 --logFile hprc.paf.log",
        "aws:us-west-2:cactus-hprc-jobstore",
        "r5.8xlarge:1.5=0..25",
        ("--outputGAFDir=", "--outputFasta=", "--reference=*", "--mapCores=", "--delFilter="),
    ),
    Line(
        "Cactus, pangenome.md, align",
        "cactus-align --batch aws:us-west-2:cactus-hprc-jobstore ./chromfile.txt s3://bucket/align-hprc "
        "--alignCores 16  --pangenome --maxLen 10000 --reference GRCh38 --outVG --batchSystem mesos --provisioner aws "
        "--defaultPreemptable --nodeTypes r5.8xlarge:1.5 --nodeStorage 1000 --maxNodes 20 --betaInertia 0 "
        "--targetTime 1 --logFile hprc.align.log",
        "",
        "aws:us-west-2:cactus-hprc-jobstore",
        "r5.8xlarge:1.5=0..20",
        ("--batch", "--alignCores=", "--pangenome", "--maxLen=", "--reference=*", "--outVG"),
    ),
    Line(
        "Cactus, progressive.md, hal2maf",
        "cactus-hal2maf aws:us-west-2:cactus-hprc-jobstore-cow s3://bucket/447.hal s3://bucket/447.maf.gz "
        "--refGenome Homo_sapiens --noAncestors --chunkSize 5000000 --batchCount 20 --batchCores 32 "
        "--batchParallelTaf 8 --batchSystem mesos --provisioner aws --defaultPreemptable --nodeStorage 4000 "
        "--maxNodes 20 --nodeTypes r5.8xlarge",
        "",
        "aws:us-west-2:cactus-hprc-jobstore-cow",
        "r5.8xlarge=0..20",
        ("--refGenome=", "--noAncestors", "--chunkSize=", "--batchCount=", "--batchCores=", "--batchParallelTaf="),
    ),
    Line(
        "Cactus, progressive.md, Slurm",
        "cactus ./js ./examples/evolverMammals.txt evolverMammals.hal --batchSystem slurm --batchLogsDir batch-logs "
        "--consCores 64 --maxMemory 1.4Ti --doubleMem true --slurmTime 200:00:00",
        own=("--consCores=",),
    ),
)  # fmt: skip
