#!/bin/bash
# Serves the X-ray model on the simulated TEE, asks it from the shell and from Python, and meets another model.
source "$(dirname "$0")/../lib.sh"
example samples/normal.png samples/nodule.png samples/effusion.jpg
refused labels.txt samples/nodule.png
