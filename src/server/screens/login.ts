/**
 * The login: the one page and the one form that answer without a session.
 *
 * On this machine alone, the token of the start is the way in; where others can reach the server, a name and a password.
 * The page is plain HTML with nothing to load and no script. Tries are limited for each address and for all together.
 */
import { createHash } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { deleteCookie, setCookie } from 'hono/cookie';
import { type GateParts, addressOf, cookieName, note, ownPerson, type ServerEnv } from '../access/gate.ts';
import { type Account, type Person, personOf } from '../access/people.ts';
import { Rate } from '../access/rate.ts';
import { isSameSecret } from '../access/sessions.ts';

export function loginRoutes(parts: GateParts, accounts: readonly Account[]): Hono<ServerEnv> {
  const perAddress = new Rate(0.2, 10);
  const overall = new Rate(2, 60);
  const app = new Hono<ServerEnv>();

  const enter = (context: Context<ServerEnv>, person: Person): Response => {
    setCookie(context, cookieName(context), parts.sessions.begin(person), {
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      secure: parts.isSecure,
    });
    note(context, parts.audit, person, 303);
    return context.redirect('/', 303);
  };
  const refuse = (context: Context<ServerEnv>, status: 401 | 429, said: string): Response => {
    note(context, parts.audit, { name: '?', role: 'viewer' }, status);
    return loginPage(parts.token !== undefined, status, said);
  };

  app.get('/', (context) => {
    const given = context.req.query('token');
    if (given === undefined) return loginPage(parts.token !== undefined, 200);
    const wait = Math.max(perAddress.take(addressOf(context)), overall.take(''));
    if (wait > 0) return refuse(context, 429, `Too many tries. Wait ${wait} s.`);
    if (parts.token !== undefined && isSameSecret(given, parts.token)) return enter(context, ownPerson);
    return refuse(context, 401, 'That token is not of this start.');
  });

  app.post('/', async (context) => {
    const wait = Math.max(perAddress.take(addressOf(context)), overall.take(''));
    if (wait > 0) return refuse(context, 429, `Too many tries. Wait ${wait} s.`);
    const form: Readonly<Record<string, unknown>> = await context.req.parseBody().catch(() => ({}));
    const word = (name: string): string => (typeof form[name] === 'string' ? form[name] : '');
    if (parts.token !== undefined) {
      if (isSameSecret(word('token').trim(), parts.token)) return enter(context, ownPerson);
      return refuse(context, 401, 'That token is not of this start.');
    }
    const person = await personOf(accounts, word('name').trim(), word('password'));
    if (person !== undefined) return enter(context, person);
    deleteCookie(context, cookieName(context), { path: '/' });
    return refuse(context, 401, 'The name or the password is wrong.');
  });
  return app;
}

/** @param said why it is shown again; a constant of this file */
export function loginPage(hasToken: boolean, status: 200 | 401 | 429, said = ''): Response {
  const fields = hasToken
    ? '<label>Token <input name="token" type="password" autocomplete="off" required autofocus></label><p>It was printed where the server was started. The link there holds it already.</p>'
    : '<label>Name <input name="name" autocomplete="username" required autofocus></label><label>Password <input name="password" type="password" autocomplete="current-password" required></label>';
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Fiducial: log in</title><style>${style}</style></head><body><main><h1>Fiducial</h1>${said === '' ? '' : `<p role="alert">${said}</p>`}<form method="post" action="/login">${fields}<button>Log in</button></form></main></body></html>`;
  return new Response(html, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; style-src '${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    },
  });
}

const style =
  ':root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{margin:0;min-height:100vh;display:grid;place-items:center;background:light-dark(#f6f7f9,#12151a);color:light-dark(#1b2430,#e6e9ee)}main{width:min(22rem,90vw)}h1{font-size:1.4rem;letter-spacing:-.01em}label{display:block;margin:.8rem 0 .2rem}input{display:block;box-sizing:border-box;width:100%;margin-top:.25rem;font:inherit;padding:.5rem .6rem;border:1px solid light-dark(#8b95a5,#5b6675);border-radius:6px;background:light-dark(#fff,#1a1f27);color:inherit}button{margin-top:1rem;font:inherit;font-weight:600;padding:.55rem 1rem;border:0;border-radius:6px;background:#1f5fbf;color:#fff;cursor:pointer}p{color:light-dark(#4a5565,#a9b2bf)}[role=alert]{color:light-dark(#a3221b,#ff9c94)}';
const styleHash = `sha256-${createHash('sha256').update(style).digest('base64')}`;
