-- One row: the program that is built.
{{ config(alias='programs') }}

with

programs as (
    select * from {{ ref('stg_seeds__programs') }}
),

-- nothing is built on seeds that are wrong
seed_problems as (
    select * from {{ ref('int_seed_problems') }}
),

final as (
    select
        program,
        title,
        credential,
        {{ whole_number('certificates_required') }}::integer as certificates_required,
        degree,
        degree_link,
        apply_link,
        contact_email,
        organization,
        postal_address,
        sender,
        reply_to,
        subject,
        unsubscribe_base,
        unsubscribe_hash,
        coalesce(certificate_mail, 'eligible') as certificate_mail,
        coalesce(language, 'en') as language,
        coalesce(lms_base, 'https://courses.edx.org') as lms_base,
        coalesce(invented, 'false') = 'true' as is_invented,
        {{ as_of() }} as as_of
    from programs
    where
        program = '{{ var("program") }}'
        and not exists (select 1 from seed_problems)
)

select * from final
