declare module 'pgpass' {
  /** Gives the password that the password file of libpq has for a login; undefined if it has none. */
  export default function ofFile(
    login: { host: string; port: number; database: string; user: string },
    done: (password: string | undefined) => void,
  ): void
}
