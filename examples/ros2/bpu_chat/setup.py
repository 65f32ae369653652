"""Installs the package as colcon (ament_python) expects it."""

from setuptools import setup

NAME = "bpu_chat"

setup(
    name=NAME,
    version="1.0.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", [f"launch/{NAME}.launch.py"]),
        (f"share/{NAME}/config", [f"config/{NAME}.yaml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    description="Lets a robot talk with the language model of an RDK BPU gateway.",
    license="MIT",
    entry_points={"console_scripts": [f"{NAME} = {NAME}.node:main"]},
)
