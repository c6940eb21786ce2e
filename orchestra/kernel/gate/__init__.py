"""What every API request passes on its way in and out; the settings name its parts, so nothing here imports a view."""
