"""Tells the recorder which folders hold the standard library and which hold installed packages."""

from __future__ import annotations

import os
import site
import sys
import sysconfig

from . import _recorder


def _folders(paths) -> tuple[str, ...]:
    """Each path as given and resolved: code may carry either."""
    seen: dict[str, None] = {}
    for path in paths:
        if path:
            seen[os.path.abspath(path).rstrip(os.sep)] = None
            seen[os.path.realpath(path).rstrip(os.sep)] = None
    return tuple(seen)


def _package_folders() -> tuple[str, ...]:
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    paths += getattr(site, "getsitepackages", list)()
    paths.append(getattr(site, "getusersitepackages", str)())
    return _folders(paths)


def _stdlib_folders() -> tuple[str, ...]:
    return _folders([sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)])


def _stdlib_names() -> frozenset[str]:
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return frozenset(names)
    listed = {entry.split(".")[0] for folder in _stdlib_folders() if os.path.isdir(folder) for entry in os.listdir(folder)}
    dynamic = sysconfig.get_config_var("DESTSHARED") or ""
    if os.path.isdir(dynamic):
        listed |= {entry.split(".")[0] for entry in os.listdir(dynamic)}
    return frozenset(listed | set(sys.builtin_module_names)) - {"site-packages", "dist-packages"}


_recorder.configure(_stdlib_folders(), _package_folders(), _stdlib_names(), os.path.dirname(os.path.abspath(__file__)))
