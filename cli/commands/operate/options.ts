/** Which API a command works on. */
export interface ApiOptions {
  env?: string
  url?: string
}
