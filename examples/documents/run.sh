#!/bin/bash
# Serves the document model on the simulated TEE, asks it from the shell and from Python, and meets another model.
source "$(dirname "$0")/../lib.sh"
example samples/invoice.txt samples/letter.txt samples/report.txt samples/contract.txt samples/prescription.txt
refused labels.txt samples/letter.txt
