#!/bin/bash
# Installs RELEASE into a new prefix, uses it as strangers would, and takes it away again.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
prefix=$scratch/prefix

cmake --install "$RELEASE" --prefix "$prefix" >"$scratch/log"
pc=$(dirname "$(find "$prefix" -name blind.pc)")
for file in bin/blind include/blind/appraise.h share/man/man1/blind-verify.1 \
    share/bash-completion/completions/blind share/zsh/vendor-completions/_blind \
    share/fish/vendor_completions.d/blind.fish lib/systemd/system/blind.service \
    share/doc/blind/examples/digits/model.onnx; do
    [[ -f $prefix/$file ]] || fail "not installed: $file"
done

# The example of the README, or ours while it has none.
awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$SOURCE/README.md" >"$scratch/example.c" 2>/dev/null || true
[[ -s $scratch/example.c ]] || cp "$SOURCE/examples/c/verify.c" "$scratch/example.c"
cp "$SOURCE/examples/c/verify.c" "$SOURCE/examples/c/infer.c" "$scratch/"

export PKG_CONFIG_PATH=$pc
flags=(-std=c17 -Wall -Wextra -Werror)
for source in example verify infer; do
    # shellcheck disable=SC2046
    cc "${flags[@]}" "$scratch/$source.c" -o "$scratch/$source-shared" \
        $(pkg-config --define-variable=prefix="$prefix" --cflags --libs blind) || fail "$source: pkg-config"
    # shellcheck disable=SC2046
    cc "${flags[@]}" "$scratch/$source.c" -o "$scratch/$source-static" \
        $(pkg-config --define-variable=prefix="$prefix" --cflags --libs --static blind |
            sed 's/-lblind\b/-l:libblind.a/') || fail "$source: pkg-config --static"
    readelf -dW "$scratch/$source-static" | { ! grep 'NEEDED.*libblind'; } || fail "$source: static needs libblind.so"
done
run env LD_LIBRARY_PATH="$(dirname "$pc")" "$scratch/verify-shared"
[[ $status == 2 && $err == usage:* ]] || fail "verify-shared: $status $err"
run "$scratch/verify-static"
[[ $status == 2 && $err == usage:* ]] || fail "verify-static: $status $err"

# find_package(blind)
mkdir "$scratch/project"
cp "$SOURCE"/examples/c/* "$scratch/project/"
if ! { cmake -S "$scratch/project" -B "$scratch/project/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" &&
    cmake --build "$scratch/project/build"; } >"$scratch/log" 2>&1; then
    cat "$scratch/log"
    fail "find_package(blind)"
fi
for program in verify verify-static; do
    run "$scratch/project/build/$program"
    [[ $status == 2 && $err == usage:* ]] || fail "find_package, $program: $status $err"
done

# The installed program serves, the example asks.
"$prefix/bin/blind" serve --tee sim --listen 127.0.0.1:0 --helper-listen 127.0.0.1:0 \
    --metrics-listen 127.0.0.1:0 --state-dir "$scratch/state" --port-file "$scratch/ports" \
    --model digits="$prefix/share/doc/blind/examples/digits/model.onnx" 2>"$scratch/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
for _ in {1..200}; do
    [[ ! -s $scratch/ports ]] || break
    sleep 0.05
done
port=$(sed -n 's/.*"attested": *\([0-9]*\).*/\1/p' "$scratch/ports")
"$prefix/bin/blind" policy create --tee sim --binary "$prefix/bin/blind" >"$scratch/policy.toml"
run "$scratch/infer-static" "https://127.0.0.1:$port" "$scratch/policy.toml" digits
[[ $status == 0 && $out == 'scores[0] = '* ]] || fail "infer: $status $out $err $(<"$scratch/log")"
run "$scratch/verify-static" 127.0.0.1 "$port" "$scratch/policy.toml"
[[ $status == 0 && $out == *ACCEPTED*digits* ]] || fail "verify: $status $out $err"
sed -i 's/measurement = "...../measurement = "00000/' "$scratch/policy.toml"
run "$scratch/infer-static" "https://127.0.0.1:$port" "$scratch/policy.toml" digits
[[ $status == 11 ]] || fail "infer, other code: $status $out $err"

# Each public header alone, as C and as C++.
for header in "$prefix"/include/blind/*.h; do
    name=blind/${header##*/}
    echo "#include \"$name\"" | cc -std=c17 -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only -xc - ||
        fail "$name as C"
    ! command -v c++ >/dev/null ||
        echo "#include \"$name\"" | c++ -std=c++17 -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only -xc++ - ||
        fail "$name as C++"
done

[[ $("$prefix/bin/blind" version) == "blind "* ]] || fail "the installed program does not run"
if command -v systemd-analyze >/dev/null; then
    sed "s|^Exec\([A-Za-z]*\)=[^ ]*|Exec\1=$prefix/bin/blind|" "$prefix/lib/systemd/system/blind.service" >"$scratch/blind.service"
    systemd-analyze verify --man=no "$scratch/blind.service" 2>&1 | grep -F blind.service && fail "systemd unit"
fi

cmake --build "$RELEASE" --target uninstall >"$scratch/log" || fail "uninstall: $(<"$scratch/log")"
left=$(find "$prefix" ! -type d -o -type d -name blind)
[[ -z $left ]] || fail "left after uninstall: $left"
finish
