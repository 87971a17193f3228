"""Time to build the project itself."""
import pathlib
import shutil

from frontend import run_timed
from measure import ROOT, table


def buildtime(work):
    folder = work / "project"
    shutil.rmtree(folder, ignore_errors=True)
    configure = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, "-DCMAKE_C_COMPILER=clang-22",
                 "-DCMAKE_CXX_COMPILER=clang++-22", "-DCMAKE_C_COMPILER_LAUNCHER=", "-DCMAKE_CXX_COMPILER_LAUNCHER="]
    jobs = [("configure", configure, None), ("clean build of `mlrc`", ["ninja", "-C", folder, "mlrc"], None),
            ("nothing to do", ["ninja", "-C", folder, "mlrc"], None)]
    for source in ("mlr/Loops/Scalars.cpp", "mlr/Check/Fold.cpp", "driver/Main.cpp"):
        jobs.append((f"after a change of `{source}`", ["ninja", "-C", folder, "mlrc"], source))
    rows = []
    for name, command, touched in jobs:
        if touched:
            pathlib.Path(ROOT / touched).touch()
        cpu, wall, _ = run_timed(command)
        rows.append([name, f"{cpu:.2f} s", f"{wall:.2f} s"])
    shutil.rmtree(folder, ignore_errors=True)
    table("Build of the project, without ccache", ["job", "processor", "wall"], rows)
