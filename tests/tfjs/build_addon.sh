#!/bin/bash
# Builds the native addon of @tensorflow/tfjs-node-gpu from npm's own source, against the C API in
# PyPI's CPU wheel of TensorFlow: no GPU, and nothing but npm and PyPI, is needed.
#
#   tests/tfjs/build_addon.sh out/tfjs
#
# Needs npm, pip, unzip and g++; takes 300 MB of downloads and 1.3 GB of disk. What is there already
# is left as it is, so that a second run does nothing. Prints the folder of the package at the end.
set -euo pipefail

mkdir -p "${1:?usage: build_addon.sh <folder>}"
cd "$1"
readonly package=$PWD/node_modules/@tensorflow/tfjs-node-gpu tensorflow=$PWD/tensorflow
readonly addon=$package/lib/napi-v8/tfjs_binding.node

if [[ ! -e $addon ]]; then
  if [[ ! -e $tensorflow/.unpacked ]]; then
    pip download -q --no-deps --only-binary=:all: -d wheels tensorflow-cpu==2.21.0
    unzip -qo wheels/tensorflow_cpu-2.21.0-*.whl 'tensorflow/libtensorflow*' \
      'tensorflow/include/tensorflow/c/*' 'tensorflow/include/tensorflow/core/platform/*' \
      'tensorflow/include/tsl/*' 'tensorflow/include/xla/*'
    touch "$tensorflow/.unpacked"
  fi
  # Its install script would fetch libtensorflow 2.9.1, built for CUDA 11.2, from Google's storage.
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
    @tensorflow/tfjs-node-gpu@4.22.0 node-api-headers@1.7.0
  mkdir -p "${addon%/*}"
  g++ -std=c++17 -O2 -fPIC -shared -DNAPI_VERSION=8 -DNODE_GYP_MODULE_NAME=tfjs_binding \
    -I node_modules/node-api-headers/include -I "$tensorflow/include" \
    "$package"/binding/tfjs_backend.cc "$package"/binding/tfjs_binding.cc \
    -L "$tensorflow" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 \
    -Wl,-rpath,"$tensorflow" -o "$addon.partial"
  mv "$addon.partial" "$addon"
fi
echo "$package"
