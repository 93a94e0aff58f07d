"""A Ray of two nodes in a process of its own, as Ray leaves files open that it began nodes with.

``python -m tests.builders.ray_nodes PORT`` says the cluster's address and the second node's id, and then
obeys lines: ``remove`` kills the second node, ``add`` begins another one and says its id. It ends
with its input.
"""

import sys

BYTES = 80 * 2**20


def main(client_port):
    from ray.cluster_utils import Cluster

    head = {"include_dashboard": False, "ray_client_server_port": int(client_port)}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": BYTES, **head}
    )
    try:
        node = cluster.add_node(num_cpus=1, object_store_memory=BYTES)
        print("nodes", cluster.address, node.node_id, flush=True)
        for line in sys.stdin:
            if line.strip() == "remove":
                cluster.remove_node(node, allow_graceful=False)
                print("removed", flush=True)
            else:
                node = cluster.add_node(num_cpus=1, object_store_memory=BYTES)
                print("added", node.node_id, flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
