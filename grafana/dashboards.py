"""The five dashboards."""

from grafana.pages.api import API
from grafana.pages.dataflow import DATAFLOW
from grafana.pages.overview import OVERVIEW
from grafana.pages.quality import QUALITY
from grafana.pages.servers import SERVERS

DASHBOARDS = (OVERVIEW, DATAFLOW, API, QUALITY, SERVERS)
