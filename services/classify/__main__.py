import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: workers scale by processes
os.environ.setdefault("OMP_NUM_THREADS", "1")

from services.classify.app import main

main()
