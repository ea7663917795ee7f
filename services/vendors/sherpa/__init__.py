"""sherpa-onnx with a model of the operator's own: an ASR in this process."""
