//! Keeps loaders and drivers from writing to stderr.

/// Sets the variables that keep the Vulkan loader and Mesa from writing to stderr on a machine
/// without a desktop. What the user has set stays as it is.
///
/// # Safety
/// Changes the process's environment: call it first thing in `main`, while there is one thread.
pub unsafe fn quieten_drivers() {
    let quiet = [
        // The Vulkan loader and Mesa's Wayland support complain when there is no login session.
        ("XDG_RUNTIME_DIR", std::env::temp_dir().into_os_string()),
        ("VK_LOADER_DEBUG", "none".into()),
        // Lavapipe announces on every start that it is not conformant.
        ("MESA_VK_IGNORE_CONFORMANCE_WARNING", "true".into()),
        ("MESA_LOG_LEVEL", "error".into()),
        ("EGL_LOG_LEVEL", "fatal".into()),
    ];
    for (name, value) in quiet {
        if std::env::var_os(name).is_none() {
            // SAFETY: the caller promises that no other thread reads the environment now.
            unsafe { std::env::set_var(name, value) };
        }
    }
}
