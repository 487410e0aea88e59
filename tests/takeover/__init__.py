# SPDX-License-Identifier: Apache-2.0
"""What upstream's API server keeps in etcd, read and written by code that knows nothing of skiff's."""
