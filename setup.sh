# Source this: `. ./setup.sh`. It installs what a bare Debian or Ubuntu machine lacks to build fedfunnel and
# to run it without a GPU: a C compiler, a Vulkan driver that runs on the processor, and Rust.

fedfunnel_setup() {
    local wanted="" as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    command -v cc >/dev/null || wanted="$wanted build-essential"
    # Any Vulkan driver will do; Mesa's includes one for the processor.
    [ -n "$(ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json 2>/dev/null)" ] ||
        wanted="$wanted mesa-vulkan-drivers"
    command -v cargo >/dev/null || command -v curl >/dev/null || wanted="$wanted curl ca-certificates"
    if [ -n "$wanted" ]; then
        $as_root apt-get update -qq || return
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $wanted >/dev/null || return
    fi
    if ! command -v cargo >/dev/null; then
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile default || return
        . "$HOME/.cargo/env"
    fi
}
fedfunnel_setup
