cwlVersion: v1.2
class: CommandLineTool
baseCommand: [tr, a-z, A-Z]
stdin: $(inputs.text.path)
stdout: shouted.txt
requirements:
  ResourceRequirement: {coresMin: 1, ramMin: 256, tmpdirMin: 128, outdirMin: 128}
inputs:
  text: File
outputs:
  shouted: stdout
