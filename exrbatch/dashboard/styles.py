"""The colours of the ways in which files can end."""

from exrbatch.jobs.file_report import Status

STYLES = {
    Status.RECOMPRESSED: "green",
    Status.ALREADY: "cyan",
    Status.NO_GAIN: "cyan",
    Status.SKIPPED: "yellow",
    Status.FAILED: "bold red",
    Status.PLANNED: "green",
    Status.EQUAL: "green",
    Status.DIFFERENT: "bold red",
    Status.MEASURED: "green",
    Status.SOUND: "green",
    Status.DIGESTED: "green",
}
