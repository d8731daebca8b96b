#!/bin/bash
# Serves the face model on the simulated TEE, asks it from the shell and from Python, enrols somebody, and meets another
# model.
source "$(dirname "$0")/../lib.sh"
example samples/ada.jpg samples/grace.jpg samples/stranger.jpg
refused names.txt samples/ada.jpg

# enrol.py asks the first server for the embeddings of two more pictures of the stranger.
if [[ " ${asking[*]} " == *' py '* ]]; then
    title '5. The stranger is enrolled: the file is another, and so is the policy'
    url=$honest
    mkdir "$work/enrolled"
    cp pipeline.toml model.onnx names.txt enrolled.npy "$work/enrolled"
    show python3 enrol.py "$url" policy.toml enrolled stranger.tar
    "$PYTHON" enrol.py "$url" "$work/policy.toml" "$work/enrolled" stranger.tar | sed 's/^/    /'
    try "$BLIND" pipeline pack "$work/enrolled/pipeline.toml" --output "$work/enrolled/faces.tar"
    try "$BLIND" policy create --tee sim --binary "$BLIND" --model "faces=$work/enrolled/faces.tar" --out "$work/policy.toml"
    serve "$work/enrolled"
    ask_and_show py samples/stranger.jpg samples/ada.jpg
fi
