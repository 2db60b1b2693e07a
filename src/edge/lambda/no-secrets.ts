/**
 * Stands for the client of Secrets Manager in the bundles of an environment whose functions log in with a token of IAM.
 */
export class SecretsProvider {
  get(): Promise<never> {
    return Promise.reject(new Error('This environment has no secret: its functions log in with IAM.'))
  }
}
