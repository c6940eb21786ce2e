from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        from workflows import wiring

        wiring.fill_pages()
        wiring.fill_search_and_palette()
        wiring.wind_the_clock()
        wiring.join_the_fleet()
