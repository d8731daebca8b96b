#!/bin/bash
# Serves the speech model on the simulated TEE, asks it from the shell and from Python, and meets another model.
source "$(dirname "$0")/../lib.sh"
example samples/stop.wav samples/go-left.wav samples/seven-two-nine.wav
refused symbols.txt samples/stop.wav
