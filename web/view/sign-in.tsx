import { useRef } from 'preact/hooks';
import { RefusalNote } from '../part/notes.tsx';
import type { Visitor } from '../state/store.ts';
import { usePage } from '../state/store.ts';

/** Asks who one is: by the address of `looms dashboard`, or with a token. */
export function SignIn({ visitor }: { readonly visitor: Exclude<Visitor, { readonly is: 'in' }> }) {
  const { enter } = usePage();
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? '';
    if (token !== '') void enter({ token });
  };
  if (visitor.is === 'entering') {
    return (
      <main class="sign-in">
        <h1>looms</h1>
        <p role="status">signing in …</p>
      </main>
    );
  }
  return (
    <main class="sign-in">
      <h1>looms</h1>
      {visitor.why === undefined ? null : <RefusalNote refusal={visitor.why} />}
      <p>On the machine that looms runs on, this prints an address that lets you in:</p>
      <pre>looms dashboard</pre>
      <form onSubmit={submit}>
        <label for="token">or a token of looms token new</label>
        <div class="row">
          <input ref={field} id="token" type="password" autocomplete="off" spellcheck={false} required />
          <button type="submit" class="main">
            sign in
          </button>
        </div>
      </form>
    </main>
  );
}
