-- One row: the program that is built.
{{ config(alias='programs') }}

-- nothing is built on seeds that are wrong
-- depends_on: {{ ref('int_seed_problems') }}

with

programs as (
    select * from {{ ref('programs') }}
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
        -- spreadsheets write TRUE
        coalesce(lower(invented), 'false') = 'true' as is_invented,
        {{ as_of() }} as as_of
    from programs
    where program = '{{ var("program") }}'
)

select * from final
