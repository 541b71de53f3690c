"""Every setting: defaults < configuration file (TOML) < environment < flags. Checked whole at start.

A setting `worker.grace` is `grace` under `[worker]` in the file and `JOBD_WORKER__GRACE` in the environment.
"""

from jobd.settings.load import load_settings
from jobd.settings.settings import SETTINGS, HttpSettings, RetentionSettings, Settings

__all__ = ["SETTINGS", "HttpSettings", "RetentionSettings", "Settings", "load_settings"]
