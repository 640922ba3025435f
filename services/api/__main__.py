from services.api.app import main
from services.kit.process import run

run("api", main)
