"""The pages that people see. They join the apps, so that they live above them."""
