import { Connections, type IConnectable, type IPeer, type ISecurityGroup, Port } from 'aws-cdk-lib/aws-ec2'
import { Endpoint, type IDatabaseCluster, type IDatabaseInstance } from 'aws-cdk-lib/aws-rds'

/** A server that is no instance of RDS and no cluster of Aurora. */
export interface DatabaseServerAttributes {
  /** The name in the server's certificate. */
  readonly host: string
  /** @default 5432 */
  readonly port?: number
  /** Where it is: its security group, or its addresses, such as `Peer.ipv4('203.0.113.7/32')`. */
  readonly peer: IPeer
}

/** A PostgreSQL, and no proxy: that ends a run when the caller leaves. */
export class DatabaseServer implements IConnectable {
  /** The name in the server's certificate. */
  readonly host: string
  readonly port: number
  readonly connections: Connections
  /** @internal */
  readonly ofRds: OfRds | undefined
  /** @internal */
  readonly ipv6: boolean

  /** An instance of RDS, which the app makes, imports or looks up. */
  static fromInstance(instance: IDatabaseInstance): DatabaseServer {
    return new DatabaseServer(instance.instanceEndpoint, instance.connections, instance)
  }

  /** A cluster of Aurora, which the app makes, imports or looks up. */
  static fromCluster(cluster: IDatabaseCluster): DatabaseServer {
    return new DatabaseServer(cluster.clusterEndpoint, cluster.connections, cluster)
  }

  /** Any other server. */
  static fromAttributes(attributes: DatabaseServerAttributes): DatabaseServer {
    const { host, port = 5432, peer } = attributes
    const way = 'addIngressRule' in peer ? { securityGroups: [peer as ISecurityGroup] } : { peer }
    const connections = new Connections({ ...way, defaultPort: Port.tcp(port) })
    return new DatabaseServer(new Endpoint(host, port), connections, undefined, peer)
  }

  private constructor({ hostname, port }: Endpoint, connections: Connections, ofRds?: OfRds, peer?: IPeer) {
    this.host = hostname
    this.port = port
    this.connections = connections
    this.ofRds = ofRds
    this.ipv6 = 'cidrIpv6' in (peer?.toEgressRuleConfig() ?? {})
  }
}

export type OfRds = IDatabaseInstance | IDatabaseCluster
