-- One row per row of seeds/programs.csv, as text; a column that the file does not have is NULL.
with

programs as (
    select * from {{ ref('programs') }}
    union all by name
    -- no row, but the columns that a file may leave out
    select
        null::varchar as certificate_mail,
        null::varchar as language,
        null::varchar as lms_base
    where false
),

final as (
    select
        program,
        title,
        credential,
        certificates_required,
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
        certificate_mail,
        language,
        lms_base
    from programs
)

select * from final
