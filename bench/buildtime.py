"""Time to build the project itself."""
import os
import shutil

from frontend import run_timed
from measure import ROOT, table

CHANGED = ("mlr/Loops/Scalars.cpp", "mlr/Check/Fold.cpp", "driver/Main.cpp")


def rebuilt_after_change(build, source):
    """Builds with the source newer than its object; its time stamp is as before afterwards."""
    path = ROOT / source
    before = path.stat()
    path.touch()
    try:
        return run_timed(build)
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def buildtime(work, quick):
    folder = work / "project"
    shutil.rmtree(folder, ignore_errors=True)
    configure = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, "-DCMAKE_C_COMPILER=clang-22",
                 "-DCMAKE_CXX_COMPILER=clang++-22", "-DCMAKE_C_COMPILER_LAUNCHER=", "-DCMAKE_CXX_COMPILER_LAUNCHER="]
    target = "mlr_pch" if quick else "mlrc"
    build = ["ninja", "-C", folder, target]
    results = [("configure", run_timed(configure)), (f"clean build of `{target}`", run_timed(build)),
               ("nothing to do", run_timed(build))]
    results += [(f"after a change of `{source}`", rebuilt_after_change(build, source)) for source in CHANGED]
    shutil.rmtree(folder, ignore_errors=True)
    table("Build of the project, without ccache, all cores",
          ["job", "processor", "wall"], [[name, f"{cpu:.2f} s", f"{wall:.2f} s"] for name, (cpu, wall, _) in results])
